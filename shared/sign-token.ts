import { SignJWT } from 'jose'
import type { Environment } from './config.ts'

interface Claims {
  readonly subject: string
  readonly admin?: boolean
  /** As jose takes it: `30d`, `2h`. */
  readonly lifetime: string
}

/** A token as function servers with this `AUTH_JWT_SECRET` check it, with their issuer and audience if they ask for one. */
export function signToken(
  secret: string,
  environment: Environment,
  { subject, admin = false, lifetime }: Claims,
): Promise<string> {
  const token = new SignJWT(admin ? { scope: 'admin' } : {})
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setIssuedAt()
    .setExpirationTime(lifetime)
  const { AUTH_JWT_ISSUER: issuer, AUTH_JWT_AUDIENCE: audience } = environment
  if (issuer) token.setIssuer(issuer)
  if (audience) token.setAudience(audience)
  return token.sign(new TextEncoder().encode(secret))
}
