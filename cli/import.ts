import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { importCatalogue, type Imported } from '../shared/catalogue/import-catalogue.ts'
import { databaseConfig } from '../shared/config.ts'
import { FrontrowError } from '../shared/errors.ts'
import { connectMysql } from '../shared/mysql/connect.ts'

export function registerImport(program: Command): void {
  program
    .command('import')
    .description('creates or extends the performances of a catalogue file')
    .argument('<file>', 'JSON: { "performances": [{ "id": …, …the body of PUT /performances/{id} }] }')
    .option('--json', 'print the results as JSON')
    .addHelpText(
      'after',
      '\nReads DATABASE_URL. Exits with 1 if a performance was refused because its seats are sold.',
    )
    .action(async (file: string, options: { json?: true }) => {
      const imported = await importFile(file)
      console.log(
        options.json === true ? JSON.stringify(imported, undefined, 2) : imported.map(readable).join('\n'),
      )
      if (imported.some(({ result }) => result.kind === 'seats-sold')) process.exitCode = 1
    })
}

async function importFile(file: string): Promise<Imported[]> {
  const document = await readDocument(file)
  const knex = connectMysql(databaseConfig(process.env), 'read', 2)
  try {
    return await importCatalogue(knex, document)
  } finally {
    await knex.destroy()
  }
}

async function readDocument(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read'
    throw new FrontrowError('CONFIG_INVALID', `${file} ${why}`, { cause: error })
  }
}

function readable({ performanceId, result }: Imported): string {
  if (result.kind !== 'seats-sold') return `${performanceId}: ${result.kind}, version ${result.version}`
  const seats = result.seats.map(({ sectionId, seatId }) => `${sectionId}/${seatId}`)
  return `${performanceId}: refused, it leaves out seats that are sold: ${seats.join(', ')}`
}
