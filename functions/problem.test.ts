import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Answer } from './answer.ts'
import { problem, problems } from './problem.ts'
import { validate } from './validate.ts'

describe('problem', () => {
  it('makes a document of RFC 9457 with a stable type', () => {
    const answer = problem('rate-limited', 'Too often.', {
      headers: { 'retry-after': '7' },
      members: { more: 1 },
    })
    expect(answer.status).toBe(429)
    expect(answer.headers).toEqual({ 'content-type': 'application/problem+json', 'retry-after': '7' })
    expect(answer.body).toEqual({
      type: 'urn:frontrow:problem:rate-limited',
      title: 'Too many requests',
      status: 429,
      detail: 'Too often.',
      more: 1,
    })
  })

  it('has names that fit into a URN', () => {
    for (const name of Object.keys(problems)) expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/)
  })
})

describe('validate', () => {
  const schema = z.strictObject({ list: z.array(z.number()) })

  it('hands on what is valid', () => {
    expect(validate(schema, { list: [1] })).toEqual({ value: { list: [1] } })
  })

  it('points at each thing that is wrong', () => {
    const answer = validate(schema, { list: [1, 'x'], 'a/b~c': 1 })
    expect(answer instanceof Answer && answer.body).toMatchObject({
      errors: [
        { pointer: '#/list/1', detail: expect.any(String) as string },
        { pointer: '#/a~1b~0c', detail: 'unknown field' },
      ],
    })
  })

  it('lists no more than a reader can use', () => {
    const answer = validate(schema, { list: Array.from({ length: 10_000 }, () => 'x') })
    const { errors } = (answer as Answer).body as { errors: unknown[] }
    expect(errors).toHaveLength(50)
  })
})
