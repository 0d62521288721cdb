import type { Command } from 'commander'
import { FrontrowError } from '../shared/errors.ts'
import { signToken } from '../shared/sign-token.ts'

export function registerToken(program: Command): void {
  program
    .command('token')
    .description('signs a token for trying things out, where servers have AUTH_JWT_SECRET')
    .argument('<customer>')
    .option('--admin', 'with the scope to change the catalogue')
    .option('--lifetime <time>', 'as `30d` or `2h`', '1d')
    .addHelpText('after', '\nReads AUTH_JWT_SECRET, AUTH_JWT_ISSUER and AUTH_JWT_AUDIENCE.')
    .action(async (subject: string, { admin = false, lifetime }: { admin?: boolean; lifetime: string }) => {
      const secret = process.env['AUTH_JWT_SECRET']
      if (!secret) throw new FrontrowError('CONFIG_INVALID', 'configuration: AUTH_JWT_SECRET is not set')
      console.log(await signToken(secret, process.env, { subject, admin, lifetime }))
    })
}
