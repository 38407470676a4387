/** What a credential without claims is: only one source holds workload access tokens by its definition. */
export function credentialText(source: string): string {
  return source === 'access-token' ? 'an access token' : 'a credential that is no JWT'
}

/** Why an identity in `.env.local` is not used by itself, and how to have it used. */
export const howToLoad = 'which the app has to load: node --env-file=.env.local …'
