import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Metafile } from 'esbuild'
import { type Bench, type BenchRow, isMain, runAlone } from '../result.ts'

/** What an application that uses one function carries. */
export interface BundleReport {
  /** Bytes, gzipped, of the chunks that are loaded at once. */
  readonly staticGzipBytes: number
  /** The text of those chunks. */
  readonly staticText: string
  /** The text of the chunks that are loaded when they are needed. */
  readonly lazyText: string
}

/** Bundles `import { getToken } from '@valetkey/sdk'`, as it is published, as an application for any runtime would. */
export async function bundleOfGetToken(): Promise<BundleReport> {
  const result = await build({
    stdin: {
      contents: "import { getToken } from '@valetkey/sdk'\nglobalThis.getToken = getToken",
      resolveDir: dirname(fileURLToPath(import.meta.url)),
      sourcefile: 'entry.js',
    },
    bundle: true,
    splitting: true,
    minify: true,
    platform: 'neutral',
    format: 'esm',
    outdir: 'out',
    write: false,
    metafile: true,
  })
  const textOf = new Map(result.outputFiles.map((file) => [file.path, file.text]))
  const outputs = new Map(
    Object.entries(result.metafile.outputs).map(([path, output]) => [join(process.cwd(), path), output]),
  )
  const atOnce = staticallyReachable(outputs)
  const text = (paths: Iterable<string>): string =>
    [...paths].map((path) => textOf.get(path) ?? '').join('\n')
  return {
    staticGzipBytes: [...atOnce].reduce((sum, path) => sum + gzipSync(textOf.get(path) ?? '').length, 0),
    staticText: text(atOnce),
    lazyText: text([...textOf.keys()].filter((path) => !atOnce.has(path))),
  }
}

function staticallyReachable(outputs: ReadonlyMap<string, Metafile['outputs'][string]>): Set<string> {
  const reached = new Set<string>()
  const pending = [...outputs]
    .filter(([, output]) => output.entryPoint?.includes('entry.js'))
    .map(([path]) => path)
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    for (const imported of outputs.get(path)?.imports ?? [])
      if (imported.kind === 'import-statement') pending.push(join(process.cwd(), imported.path))
  }
  return reached
}

export const bundleSizeBench: Bench = {
  name: 'bundle size',
  async run(): Promise<BenchRow[]> {
    const { staticGzipBytes, staticText, lazyText } = await bundleOfGetToken()
    const forbidden = ['jose', 'openid-client', 'node:'].filter((word) => staticText.includes(word))
    return [
      {
        workload: '`import { getToken }`, minified and gzipped',
        figure: `${(staticGzipBytes / 1024).toFixed(2)} KiB`,
        bar: '<= 8 KiB',
        met: staticGzipBytes <= 8192,
      },
      {
        workload: '`import { getToken }` carries jose, openid-client or node:',
        figure: forbidden.length === 0 ? 'none' : forbidden.join(', '),
        bar: 'none',
        met: forbidden.length === 0 && lazyText.includes('child_process'),
      },
    ]
  },
}

if (isMain(import.meta.url)) await runAlone(bundleSizeBench)
