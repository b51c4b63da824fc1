/** SQL functions of ours, written in SQL: each a macro of the instance that queries run in. */

/** One macro; several `forms` take different numbers of arguments. */
export type Macro = {
  readonly name: string
  readonly forms: readonly MacroForm[]
}

export type MacroForm = {
  readonly parameters: readonly string[]
  /** An expression over the parameters. DuckDB puts each argument's text in every place that names it. */
  readonly body: string
}

/** `CREATE OR REPLACE MACRO`, which is repeatable. */
export function createMacro({ name, forms }: Macro): string {
  const overloads = forms.map(({ parameters, body }) => `(${parameters.join(', ')}) AS (${body})`)
  return `CREATE OR REPLACE MACRO "${name}"${overloads.join(', ')}`
}

/** How often the argument that is repeated most stands in what a call becomes. */
export function repetition({ forms }: Macro): number {
  const counts = forms.flatMap(({ parameters, body }) =>
    parameters.map(name => body.match(new RegExp(`(?<![\\w'])${name}(?![\\w'])`, 'g'))?.length ?? 0),
  )
  return Math.max(1, ...counts)
}

/** The value of `expression` under a name that may be written often: the argument itself is written once. */
export function once(expression: string, name: string, body: string): string {
  return `list_transform([${expression}], lambda ${name}: ${body})[1]`
}
