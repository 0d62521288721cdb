import type { Knex } from 'knex'
import { binaryIds, ID, MICROSECONDS, MILLISECONDS, REQUEST_ID, SEAT_IDS, slotColumn } from './columns.ts'

/** What was decided, and the seats that are taken because of it. */
export async function up(knex: Knex): Promise<void> {
  // One row a decision, never changed afterwards. A request's status is that of its newest decision
  // whose status is not null.
  await knex.schema.createTable('decisions', (table) => {
    binaryIds(table)
    slotColumn(table)
    table.specificType('request_id', REQUEST_ID).notNullable()
    table.specificType('command', 'VARCHAR(16)').notNullable().comment('book, cancel')
    table.specificType('customer_id', 'VARCHAR(255)').notNullable()
    table.specificType('performance_id', ID).notNullable()
    table.specificType('section_id', ID).notNullable()
    table
      .specificType('seat_ids', SEAT_IDS)
      .notNullable()
      .comment('of a book, as asked; of a cancel, as freed')
    table.specificType('fingerprint', 'CHAR(43)').nullable().comment('of a book')
    table
      .specificType('status', 'VARCHAR(16)')
      .nullable()
      .comment('of the request, from this decision on; null: as it was')
    table.specificType('reason', 'VARCHAR(32)').nullable()
    table.specificType('reason_seat_ids', SEAT_IDS).nullable()
    table.integer('performance_version').unsigned().notNullable().comment('0: there was no such performance')
    table.specificType('shard', 'SMALLINT UNSIGNED').notNullable()
    table.specificType('partition_number', 'SMALLINT UNSIGNED').notNullable()
    table
      .specificType('sequence', 'BIGINT UNSIGNED')
      .notNullable()
      .comment('place in the order of its partition')
    table.specificType('epoch', 'BIGINT UNSIGNED').notNullable().comment('of the owner that decided')
    table.specificType('requested_at_us', MICROSECONDS).notNullable()
    table.specificType('decided_at_ms', MILLISECONDS).notNullable()
    table.primary(['slot', 'request_id', 'command'])
    // The order of a section, and the history of its seats.
    table.unique(['slot', 'performance_id', 'section_id', 'sequence'], { indexName: 'decisions_order' })
    // "My bookings", newest first.
    table.index(['customer_id', 'command', 'requested_at_us', 'request_id'], 'decisions_customer')
  })

  // A taken seat is a row, a free seat is none.
  await knex.schema.createTable('booked_seats', (table) => {
    binaryIds(table)
    slotColumn(table)
    table.specificType('performance_id', ID).notNullable()
    table.specificType('section_id', ID).notNullable()
    table.specificType('seat_id', ID).notNullable()
    table.specificType('request_id', REQUEST_ID).notNullable()
    table.specificType('state', 'VARCHAR(16)').notNullable().defaultTo('BOOKED')
    table.specificType('until_ms', MILLISECONDS).nullable().comment('end of a hold')
    table.primary(['slot', 'performance_id', 'section_id', 'seat_id'])
  })

  // Entries that could not be decided. A row here is a request's outcome (REJECTED, INTERNAL) where not
  // even the rejection could be stored as a decision.
  await knex.schema.createTable('dead_letters', (table) => {
    binaryIds(table)
    slotColumn(table)
    table
      .specificType('digest', 'CHAR(64)')
      .notNullable()
      .comment('SHA-256 over partition, entry id and fields')
    table.specificType('shard', 'SMALLINT UNSIGNED').notNullable()
    table.specificType('partition_number', 'SMALLINT UNSIGNED').notNullable()
    table.specificType('entry_id', 'VARCHAR(41)').notNullable()
    table.specificType('request_id', REQUEST_ID).nullable()
    table.specificType('command', 'VARCHAR(16)').nullable()
    table.specificType('reason', 'VARCHAR(200) CHARACTER SET utf8mb4').notNullable()
    table.specificType('body', 'BLOB').notNullable().comment('the first 4,096 bytes, as JSON')
    table.specificType('created_at_ms', MILLISECONDS).notNullable()
    table.primary(['slot', 'digest'])
    table.index(['slot', 'request_id'])
  })
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ['dead_letters', 'booked_seats', 'decisions']) await knex.schema.dropTable(table)
}
