import { Command } from 'commander'
import { FrontrowError } from '../shared/errors.ts'
import { registerAudit } from './audit.ts'
import { registerBook } from './book.ts'
import { registerCancel } from './cancel.ts'
import { exitCodes } from './exit-codes.ts'
import { registerImport } from './import.ts'
import { registerSeats } from './seats.ts'
import { registerStatus } from './status.ts'
import { registerToken } from './token.ts'

/** The `frontrow` command: what customers do, by way of a function server, and what operators do on the databases. */
const program = new Command('frontrow')
  .description('Frontrow, a seat-booking engine for on-sales')
  .showHelpAfterError()
  .exitOverride((error) => {
    process.exit(error.exitCode === 0 ? exitCodes.well : exitCodes.usage)
  })

program.commandsGroup('For customers:')
registerBook(program)
registerStatus(program)
registerCancel(program)
registerSeats(program)
program.commandsGroup('For operators:')
registerAudit(program)
registerImport(program)
registerToken(program)

const NO_SUCH_TABLE = 1146

/** The first sentence of an error is for people; a driver's error may have no message, only a code. */
function sentenceOf(error: unknown): string {
  if (error instanceof FrontrowError) return error.message
  const { message, code, errno } = error as { message?: unknown; code?: unknown; errno?: unknown }
  if (errno === NO_SUCH_TABLE) return 'the database has no tables yet: run `npm run migrate -- latest`'
  const text = typeof message === 'string' && message !== '' && !('sql' in (error as object)) ? message : ''
  return (
    [typeof code === 'string' ? code : '', text].filter((part) => part !== '').join(': ') || 'unknown error'
  )
}

try {
  await program.parseAsync()
} catch (error) {
  console.error(`frontrow: ${sentenceOf(error)}`)
  process.exitCode = exitCodes.usage
}
