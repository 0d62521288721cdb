import type { Knex } from 'knex'
import { binaryIds, MILLISECONDS, slotColumn } from './columns.ts'

/** Who may decide what. */
export async function up(knex: Knex): Promise<void> {
  // The newest row is in force.
  await knex.schema.createTable('topology', (table) => {
    binaryIds(table)
    table.integer('version').unsigned().notNullable().primary()
    table.specificType('shards', 'SMALLINT UNSIGNED').notNullable()
    table.specificType('partitions_per_shard', 'SMALLINT UNSIGNED').notNullable()
    table.specificType('created_at_ms', MILLISECONDS).notNullable()
  })

  await knex.schema.createTable('partitions', (table) => {
    binaryIds(table)
    slotColumn(table)
    table.integer('topology_version').unsigned().notNullable()
    table.specificType('number', 'SMALLINT UNSIGNED').notNullable()
    table
      .specificType('epoch', 'BIGINT UNSIGNED')
      .notNullable()
      .defaultTo(0)
      .comment('raised by each claim; fences commits')
    table.specificType('sequence', 'BIGINT UNSIGNED').notNullable().comment('place of the newest decision')
    table
      .specificType('generation', 'BIGINT UNSIGNED')
      .notNullable()
      .defaultTo(0)
      .comment('of the map that gave it to its owner')
    table.specificType('owner', 'VARCHAR(64)').nullable()
    table.specificType('claimed_at_ms', MILLISECONDS).nullable()
    table.primary(['slot', 'topology_version', 'number'])
  })

  await knex.schema.createTable('rebalances', (table) => {
    binaryIds(table)
    table.specificType('generation', 'BIGINT UNSIGNED').notNullable().primary()
    table.integer('topology_version').unsigned().notNullable()
    table.specificType('members', 'MEDIUMTEXT').notNullable().comment('JSON: the members, sorted')
    table.specificType('assignment', 'MEDIUMTEXT').notNullable().comment('JSON: partition to member')
    table.specificType('reason', 'VARCHAR(64)').notNullable()
    table.specificType('created_at_ms', MILLISECONDS).notNullable()
  })
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ['rebalances', 'partitions', 'topology']) await knex.schema.dropTable(table)
}
