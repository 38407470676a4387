/** OpenID Connect's scopes in words (OpenID Connect Core §5.4 and §11): they mean the same everywhere. */
export const standardScopeTitles: Readonly<Record<string, string>> = {
  openid: 'Know who you are',
  profile: 'See your name and picture',
  email: 'See your email address',
  address: 'See your postal address',
  phone: 'See your phone number',
  offline_access: 'Keep this access until you take it back',
}
