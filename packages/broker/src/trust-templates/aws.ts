import { defineTemplate, type TrustTemplate } from './template.ts'

/**
 * AWS, by outbound identity federation (`sts:GetWebIdentityToken`). The account's own issuer and one role for each
 * environment. Request tags are the caller's to choose, so no claim but `sub` is looked at. Tokens for `sts.amazonaws.com`
 * (IRSA) and `pods.eks.amazonaws.com` are never accepted. Tokens live an hour at most.
 */
export const aws: TrustTemplate = defineTemplate({
  platform: 'aws',
  title: 'AWS',
  fields: {
    issuer: {
      what: "the account's issuer, https://….tokens.sts.global.api.aws",
      pattern: /^https:\/\/[A-Za-z0-9-]{1,63}\.tokens\.sts\.global\.api\.aws$/,
    },
    roleArn: {
      what: 'the ARN of a role',
      pattern: /^arn:aws[a-z-]{0,20}:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/,
    },
  },
  fill: ({ issuer, roleArn }) => ({
    issuer,
    claims: { sub: roleArn },
    maxAgeSeconds: 3_600,
    words: [
      `Whatever runs as the AWS role ${roleArn}, of the account of ${issuer}.`,
      'Not: other roles and accounts.',
    ],
    weaknesses: ['Within the account a role that is removed and made again has the same name.'],
  }),
})
