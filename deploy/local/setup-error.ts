/** Something about this machine or its settings that the person at the terminal can mend. One sentence, shown without a stack. */
export class SetupError extends Error {
  override readonly name = 'SetupError'
}

/** Runs an entry: what it answers is the exit code, and what a person can mend is one line. */
export async function runEntry(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main()
  } catch (error) {
    console.error(isExpected(error) ? messageOf(error) : error)
    process.exitCode = 1
  }
}

/** Errors of ours, of the system and of drivers speak for themselves; the stack of any other is needed to mend it. */
function isExpected(error: unknown): boolean {
  return error instanceof Error && (error instanceof SetupError || 'code' in error)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
