import type { Knex } from 'knex'
import { binaryIds, ID, MILLISECONDS, slotColumn } from './columns.ts'

/**
 * The catalogue. A performance's versions are kept for ever: each decision names the version under
 * which it was made, and the audit decides it again under that version.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('events', (table) => {
    binaryIds(table)
    table.specificType('event_id', ID).notNullable().primary()
    table.specificType('title', 'VARCHAR(200) CHARACTER SET utf8mb4').notNullable()
  })

  await knex.schema.createTable('performances', (table) => {
    binaryIds(table)
    slotColumn(table)
    table.specificType('performance_id', ID).notNullable()
    table.specificType('event_id', ID).notNullable()
    table.specificType('venue', 'VARCHAR(200) CHARACTER SET utf8mb4').notNullable()
    // The version in force. A batch locks this row while it commits, so it changes between batches only.
    table.integer('version').unsigned().notNullable()
    table.primary(['slot', 'performance_id'])
    table.index(['performance_id'])
    table.index(['event_id'])
  })

  await knex.schema.createTable('performance_versions', (table) => {
    binaryIds(table)
    slotColumn(table)
    table.specificType('performance_id', ID).notNullable()
    table.integer('version').unsigned().notNullable()
    table.specificType('starts_at_ms', MILLISECONDS).notNullable()
    table.specificType('sale_opens_at_ms', MILLISECONDS).nullable()
    table.specificType('sale_closes_at_ms', MILLISECONDS).nullable()
    table.primary(['slot', 'performance_id', 'version'])
  })

  // A section or seat belongs to the versions from_version ≤ v < to_version (null: still there).
  await knex.schema.createTable('sections', (table) => {
    binaryIds(table)
    slotColumn(table)
    table.specificType('performance_id', ID).notNullable()
    table.specificType('section_id', ID).notNullable()
    table.integer('from_version').unsigned().notNullable()
    table.integer('to_version').unsigned().nullable()
    table.specificType('name', 'VARCHAR(200) CHARACTER SET utf8mb4').notNullable()
    table.specificType('kind', 'VARCHAR(16)').notNullable().defaultTo('SEATED')
    table.integer('position').unsigned().notNullable()
    table.primary(['slot', 'performance_id', 'section_id', 'from_version'])
  })

  await knex.schema.createTable('seats', (table) => {
    binaryIds(table)
    slotColumn(table)
    table.specificType('performance_id', ID).notNullable()
    table.specificType('section_id', ID).notNullable()
    table.specificType('seat_id', ID).notNullable()
    table.integer('from_version').unsigned().notNullable()
    table.integer('to_version').unsigned().nullable()
    table.specificType('row_id', ID).notNullable()
    table.specificType('label', ID).notNullable()
    table.integer('position').unsigned().notNullable()
    table.primary(['slot', 'performance_id', 'section_id', 'seat_id', 'from_version'])
  })
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ['seats', 'sections', 'performance_versions', 'performances', 'events']) {
    await knex.schema.dropTable(table)
  }
}
