import ts from 'typescript'

/** What a module exports, as its types tell. */
export interface ModuleExports {
  /** Every exported name, types included. */
  readonly names: readonly string[]
  /** The properties of an exported type; `undefined` where it has none of its own, as a union. */
  propertiesOf(name: string): readonly string[] | undefined
}

/** Reads the exports of TypeScript files, declarations included. */
export function readExports(files: readonly string[]): (file: string) => ModuleExports {
  const program = ts.createProgram(files, {
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2022,
    customConditions: ['@valetkey/source'],
    allowImportingTsExtensions: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
  })
  const checker = program.getTypeChecker()
  return (file) => {
    const source = program.getSourceFile(file)
    const module = source === undefined ? undefined : checker.getSymbolAtLocation(source)
    if (module === undefined) throw new Error(`${file} is no module`)
    const symbols = new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, symbol]))
    return {
      names: [...symbols.keys()].sort(),
      propertiesOf(name) {
        const symbol = symbols.get(name)
        if (symbol === undefined) throw new Error(`${file} does not export ${name}`)
        const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
        const type = checker.getDeclaredTypeOfSymbol(target)
        return type.isUnion() ? undefined : type.getProperties().map((property) => property.name)
      },
    }
  }
}
