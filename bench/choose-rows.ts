/**
 * The rows that were asked for: a whole name means that row, anything else all that begin with it; nothing means all.
 *
 * @throws if there is none
 */
export function chooseRows(
  names: readonly string[],
  only: readonly string[] | undefined,
): ReadonlySet<string> {
  const all = new Set(names)
  const isMeant = (name: string, wish: string): boolean =>
    all.has(wish) ? name === wish : name.startsWith(wish)
  const chosen = names.filter((name) => only?.some((wish) => isMeant(name, wish)) ?? true)
  if (chosen.length === 0) throw new Error(`There is no such row; there are ${names.join(', ')}.`)
  return new Set(chosen)
}
