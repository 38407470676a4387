import { digits } from './shapes.ts'
import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * Google Cloud. One service account for each environment, by its numeric id: the issuer is every customer's, and an
 * address can be given out again. The address must match too, so the token has to be asked for with `format=full`.
 * Tokens live an hour.
 */
export const googleCloud: TrustTemplate = defineTemplate({
  platform: 'google-cloud',
  title: 'Google Cloud',
  fields: {
    serviceAccount: {
      what: 'the address of a service account',
      pattern: /^[a-z0-9][a-z0-9-]{0,62}@[a-z0-9.-]{1,120}\.gserviceaccount\.com$/,
    },
    serviceAccountId: digits,
  },
  fill: ({ serviceAccount, serviceAccountId }) => ({
    issuer: 'https://accounts.google.com',
    claims: { sub: serviceAccountId, email: serviceAccount, email_verified: 'true' },
    maxAgeSeconds: 3_600,
    words: [
      `Whatever runs as the Google service account ${serviceAccount} (${serviceAccountId}).`,
      'Not: other service accounts, or one that gets the same address later.',
    ],
    ...(isDefaultAccount(serviceAccount)
      ? {
          weaknesses: [
            'This is a default service account: everything in the Google project that was given no account of its own runs as it.',
          ],
        }
      : {}),
  }),
})

function isDefaultAccount(address: string): boolean {
  return (
    address.endsWith('-compute@developer.gserviceaccount.com') ||
    address.endsWith('@appspot.gserviceaccount.com')
  )
}
