import type { z } from 'zod'
import type { Answer } from './answer.ts'
import { validationProblem, type ValidationError } from './problem.ts'

/** Complaints that one answer lists at most: a catalogue can be wrong in ten thousand places. */
const MAX_ERRORS = 50

/** The value as the schema gives it, or the problem that says all that is wrong with it. */
export function validate<T>(schema: z.ZodType<T>, value: unknown): { readonly value: T } | Answer {
  const result = schema.safeParse(value)
  if (result.success) return { value: result.data }
  return validationProblem(result.error.issues.flatMap(complaints).slice(0, MAX_ERRORS))
}

function complaints(issue: z.core.$ZodIssue): ValidationError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: pointerTo([...issue.path, key]), detail: 'unknown field' }))
  }
  return [{ pointer: pointerTo(issue.path), detail: issue.message }]
}

function pointerTo(path: readonly PropertyKey[]): string {
  const escaped = path.map((part) =>
    encodeURIComponent(String(part).slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')),
  )
  return ['#', ...escaped].join('/')
}
