export type { VerifiedWebhook, VerifyWebhookOptions } from './types.ts'
export { verifyWebhook } from './verify-webhook.ts'
