import { InvalidArgumentError, type Command } from 'commander'
import { z } from 'zod'
import { FrontrowError } from '../shared/errors.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'

/** A function server, as somebody who may or may not have a token sees it. */
export interface Api {
  ask(request: ApiRequest): Promise<Reply>
}

interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly json?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type Reply =
  | { readonly kind: 'answer'; readonly status: number; readonly body: unknown }
  /** No answer that says what was asked for. `exitCode` tells whether it may have been done all the same. */
  | { readonly kind: 'none'; readonly exitCode: ExitCode; readonly why: string }

export interface ApiOptions {
  readonly server?: string
  readonly token?: string
}

const DEFAULT_SERVER = 'http://127.0.0.1:8080'
/** Longer than a server may take, whose own limit is two seconds, and than the wait that is asked of it. */
const ANSWER_WITHIN_MS = 15_000

/** The options of every command that speaks to a function server. */
export function withApiOptions(command: Command): Command {
  return command
    .option('--server <url>', `function server (default: FRONTROW_SERVER, or ${DEFAULT_SERVER})`, parseUrl)
    .option('--token <jwt>', 'bearer token (default: FRONTROW_TOKEN)')
    .option('--json', 'print what the server says')
}

function parseUrl(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new InvalidArgumentError('It must be a URL that begins with http:// or https://.')
}

/** @throws FrontrowError CONFIG_INVALID where FRONTROW_SERVER is no URL */
export function createApi(options: ApiOptions): Api {
  const server = options.server ?? fromEnvironment('FRONTROW_SERVER') ?? DEFAULT_SERVER
  if (!URL.canParse(server)) throw new FrontrowError('CONFIG_INVALID', 'FRONTROW_SERVER is no URL')
  const base = server.replace(/\/+$/, '')
  const token = options.token ?? fromEnvironment('FRONTROW_TOKEN')
  return { ask: (request) => ask(base, token, request) }
}

function fromEnvironment(name: string): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}

async function ask(base: string, token: string | undefined, request: ApiRequest): Promise<Reply> {
  const { method, path, json, headers } = request
  try {
    const response = await fetch(base + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
    const text = await response.text()
    return replyOf(request, response.status, text)
  } catch (error) {
    return lostReply(request, base, error)
  }
}

function replyOf(request: ApiRequest, status: number, text: string): Reply {
  const body = parsed(text)
  const said = sentenceOf(body) ?? `the server answered ${status}`
  if (status === 429 || status === 503) return { kind: 'none', exitCode: exitCodes.unavailable, why: said }
  if (status >= 500) return { kind: 'none', exitCode: afterSending(request), why: said }
  if (body === undefined) return { kind: 'none', exitCode: afterSending(request), why: 'that is no Frontrow' }
  return { kind: 'answer', status, body }
}

/** What may have been carried out although nobody heard so: everything but reading. */
function afterSending({ method }: ApiRequest): ExitCode {
  return method === 'GET' ? exitCodes.unavailable : exitCodes.unknown
}

/** Errors that come before anything was sent. */
const neverSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

function lostReply(request: ApiRequest, base: string, error: unknown): Reply {
  const cause = (error as { cause?: { code?: unknown } }).cause
  const code = typeof cause?.code === 'string' ? cause.code : ''
  if (neverSent.has(code)) {
    return { kind: 'none', exitCode: exitCodes.unavailable, why: `${base} cannot be reached (${code})` }
  }
  return { kind: 'none', exitCode: afterSending(request), why: `no answer came from ${base}` }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const problemSchema = z.object({ title: z.string(), detail: z.string() })

/** What a problem document says, in a sentence. */
export function sentenceOf(body: unknown): string | undefined {
  const problem = problemSchema.safeParse(body).data
  return problem && `${problem.title}. ${problem.detail}`
}
