import { InvalidArgumentError } from 'commander'

/**
 * Reads `--only`: rows separated by commas. A whole name means that row, anything else all that begin with it.
 *
 * @returns the rows that are meant
 * @throws InvalidArgumentError if a part means none
 */
export function readRows(names: readonly string[], text: string): ReadonlySet<string> {
  const chosen = text.split(',').flatMap((wish) => {
    const meant = names.includes(wish) ? [wish] : names.filter((name) => name.startsWith(wish))
    if (meant.length > 0) return meant
    throw new InvalidArgumentError(`There is no row ${JSON.stringify(wish)}; there are ${names.join(', ')}.`)
  })
  return new Set(chosen)
}
