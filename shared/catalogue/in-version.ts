import type { Knex } from 'knex'

/** Rows of `sections` or `seats` that belong to a version: there from `from_version` on, gone from `to_version` on. */
export function inVersion(table: 'sections' | 'seats', version: number): (query: Knex.QueryBuilder) => void {
  return (query) => {
    void query.where(`${table}.from_version`, '<=', version).andWhere((open) => {
      void open.whereNull(`${table}.to_version`).orWhere(`${table}.to_version`, '>', version)
    })
  }
}
