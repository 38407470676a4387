/** What a template turns an operator's fields into: all that a trust rule needs besides its environment. */
export interface FilledTemplate {
  readonly issuer: string
  /**
   * Where it is not the operator's to choose: of platforms whose tokens have one audience, and where it is the id of what
   * they are for. Elsewhere it is the broker's own URL.
   */
  readonly audience?: string
  readonly claims: Readonly<Record<string, string | readonly string[]>>
  readonly refuse?: Readonly<Record<string, string | readonly string[]>>
  readonly maxAgeSeconds: number
  /** What the rule admits, and what not, in sentences. */
  readonly words: readonly string[]
  /** What remains doubtful about it, in sentences. */
  readonly weaknesses?: readonly string[]
  /** An issuer with the same ids, where the platform may run on a server of one's own. */
  readonly sameIdsAs?: string
}

/** What one field of a template may hold. Whatever it is, it has no `*` and no control character. */
export interface NeededField {
  /** Ends the sentence "… must be". */
  readonly what: string
  readonly pattern: RegExp
}

/** As {@link NeededField}; an optional one may be left out. */
export interface FieldShape extends NeededField {
  readonly optional?: true
}

/** The fields that were given, in their shapes; those that are not optional are all there. */
export type FieldsOf<Shapes> = {
  readonly [Name in keyof Shapes]: Shapes[Name] extends { readonly optional: true }
    ? string | undefined
    : string
}

/** What is known beside the fields. */
export interface TemplateAbout {
  /** Of Valetkey. */
  readonly environment: string
}

/** How one platform's stable claims make a strict rule. */
export interface TrustTemplate {
  readonly platform: string
  readonly title: string
  readonly fields: Readonly<Record<string, FieldShape>>
  /** Its tokens have an audience that nobody can choose: whoever receives one can replay it here. */
  readonly fixedAudience: boolean
  /** A rule, or a sentence that says what is wrong with the fields together. */
  readonly fill: (
    fields: Readonly<Record<string, string | undefined>>,
    about: TemplateAbout,
  ) => FilledTemplate | string
}

/** Defines a template; its fields are typed by their shapes. */
export function defineTemplate<Shapes extends Readonly<Record<string, FieldShape>>>(template: {
  readonly platform: string
  readonly title: string
  readonly fields: Shapes
  readonly fixedAudience?: true
  readonly fill: (fields: FieldsOf<Shapes>, about: TemplateAbout) => FilledTemplate | string
}): TrustTemplate {
  const { fill, fixedAudience = false, ...rest } = template
  // `fillTemplate` has held the fields to their shapes before it calls this.
  return { ...rest, fixedAudience, fill: (fields, about) => fill(fields as FieldsOf<Shapes>, about) }
}

/** The same field, which may be left out. */
export function optional<Shape extends FieldShape>(shape: Shape): Shape & { readonly optional: true } {
  return { ...shape, optional: true }
}
