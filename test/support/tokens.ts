import { SignJWT, UnsecuredJWT } from 'jose'

export const JWT_SECRET = 'a secret for tests, at least 32 characters long'

interface TokenOptions {
  readonly scope?: string
  /** Seconds from now at which it expires; null: never. */
  readonly expiresInSeconds?: number | null
  readonly secret?: string
  readonly algorithm?: string
  readonly issuer?: string
  readonly audience?: string
}

/** A bearer token of a customer, signed as the tests' servers expect it unless told otherwise. */
export function tokenFor(customerId: string, options: TokenOptions = {}): Promise<string> {
  const {
    scope,
    expiresInSeconds = 3_600,
    secret = JWT_SECRET,
    algorithm = 'HS256',
    issuer,
    audience,
  } = options
  const token = new SignJWT(scope === undefined ? {} : { scope })
    .setProtectedHeader({ alg: algorithm })
    .setSubject(customerId)
  if (expiresInSeconds !== null) token.setExpirationTime(Math.floor(Date.now() / 1_000) + expiresInSeconds)
  if (issuer !== undefined) token.setIssuer(issuer)
  if (audience !== undefined) token.setAudience(audience)
  return token.sign(new TextEncoder().encode(secret))
}

/** A token that nobody signed (`alg: none`). */
export function unsignedToken(customerId: string): string {
  return new UnsecuredJWT({}).setSubject(customerId).setExpirationTime('1h').encode()
}
