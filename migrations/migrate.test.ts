import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { migrations } from './migrate.ts'

describe('the list of migrations', () => {
  it('has every file of the folder, oldest first', () => {
    const files = readdirSync(import.meta.dirname).filter((file) => /^\d{14}_.*\.ts$/.test(file))
    expect(migrations.map(({ name }) => name)).toEqual(files.sort())
  })

  it('goes down as well as up', () => {
    for (const { name, steps } of migrations) {
      expect(Object.keys(steps), name).toEqual(expect.arrayContaining(['up', 'down']))
    }
  })
})
