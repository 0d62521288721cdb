/** Reads what has this name, perhaps together with others who want it. */
type SharedReads<Found> = (name: string, read: () => Promise<Found>) => Promise<Found>

interface UnderWay<Found> {
  readonly found: Promise<Found>
  /** For all who asked since it began. */
  next: Promise<Found> | undefined
}

/**
 * However many ask for the same thing at once, it is read once at a time. Who asks while it is being read gets the read that
 * begins after that: nobody is shown what was true before they asked.
 *
 * A read that fails tells only those who share it.
 */
export function sharedReads<Found>(): SharedReads<Found> {
  const underWay = new Map<string, UnderWay<Found>>()

  const begin: SharedReads<Found> = (name, read) => {
    const found = read()
    const own: UnderWay<Found> = { found, next: undefined }
    underWay.set(name, own)
    const end = (): void => {
      if (own.next === undefined) underWay.delete(name)
    }
    found.then(end, end)
    return found
  }

  return (name, read) => {
    const now = underWay.get(name)
    if (now === undefined) return begin(name, read)
    const after = (): Promise<Found> => begin(name, read)
    return (now.next ??= now.found.then(after, after))
  }
}
