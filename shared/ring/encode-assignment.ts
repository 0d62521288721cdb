import { z } from 'zod'
import { FrontrowError } from '../errors.ts'
import { idSchema } from '../ids.ts'
import type { Assignment } from './assign.ts'

/** The largest topology that a configuration may name: 1,024 shards of 4,096 partitions. */
const MAX_PARTITIONS = 1_024 * 4_096

/** Far beyond what one pair of databases can serve; more is a mistake somewhere else. */
const MAX_MEMBERS = 10_000

const assignmentSchema = z
  .strictObject({
    members: z.array(idSchema).max(MAX_MEMBERS),
    owners: z.array(z.number().int().nonnegative()).max(MAX_PARTITIONS),
  })
  .superRefine(({ members, owners }, context) => {
    if (members.some((name, i) => name <= (members[i - 1] ?? ''))) {
      context.addIssue({ code: 'custom', path: ['members'], message: 'must be sorted and distinct' })
    }
    const stranger = owners.findIndex((owner) => owner >= members.length)
    if (stranger >= 0) {
      context.addIssue({
        code: 'custom',
        path: ['owners', stranger],
        message: 'must be the index of a member',
      })
    }
  })

/**
 * An assignment as JSON: `{"members":["a","b"],"owners":[0,1,1,0]}`. An owner is two to four characters, so 65,536
 * partitions on 1,000 members take about 300 KB, and what is stored can be read without this code.
 *
 * @throws FrontrowError ASSIGNMENT_INVALID if `decodeAssignment` would not take it: better not said than not understood
 */
export function encodeAssignment(assignment: Assignment): string {
  return JSON.stringify(validated(assignment))
}

/**
 * Reads what `encodeAssignment` wrote. The shape is checked, the balance is not: a published map is the truth.
 *
 * @throws FrontrowError ASSIGNMENT_INVALID
 */
export function decodeAssignment(text: string): Assignment {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new FrontrowError('ASSIGNMENT_INVALID', 'an assignment of partitions is not JSON', { cause })
  }
  return validated(parsed)
}

function validated(candidate: unknown): Assignment {
  const result = assignmentSchema.safeParse(candidate)
  if (result.success) return result.data
  // The first complaint is enough, and of a large map all of them would be too much.
  const [issue] = result.error.issues
  const where = issue?.path.join('.') ?? ''
  throw new FrontrowError(
    'ASSIGNMENT_INVALID',
    `an assignment of partitions: ${where}: ${issue?.message ?? ''}`,
  )
}
