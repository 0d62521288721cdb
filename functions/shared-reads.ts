/** One who reads something by its key. */
type Read<Found> = (key: string) => Promise<Found>

interface UnderWay<Found> {
  readonly found: Promise<Found>
  /** For all who asked since it began. */
  next: Promise<Found> | undefined
}

/**
 * However many ask for the same thing at once, it is read once at a time. Who asks while it is being read gets the read that
 * begins after that: nobody is shown what was true before they asked.
 *
 * @param read may throw; who asks later is not told of it
 */
export function sharedReads<Found>(read: Read<Found>): Read<Found> {
  const underWay = new Map<string, UnderWay<Found>>()

  const begin: Read<Found> = (key) => {
    const found = read(key)
    const own: UnderWay<Found> = { found, next: undefined }
    underWay.set(key, own)
    const end = (): void => {
      if (own.next === undefined) underWay.delete(key)
    }
    found.then(end, end)
    return found
  }

  return (key) => {
    const now = underWay.get(key)
    if (now === undefined) return begin(key)
    const after = (): Promise<Found> => begin(key)
    return (now.next ??= now.found.then(after, after))
  }
}
