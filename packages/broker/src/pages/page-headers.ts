import { createHash } from 'node:crypto'
import { style } from './style.ts'

// Scripts, images, fonts and frames fall under 'none'. The one style sheet is named by its digest.
const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * The headers every page is served with; `cookie` becomes `set-cookie`.
 *
 * `form-action 'self'` holds for redirects too: the answer to a page's form must not redirect to another origin. It
 * answers with `leavingPage` instead.
 */
export function pageHeaders(options: { readonly cookie?: string } = {}): Record<string, string> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': contentSecurityPolicy,
    // Pages carry one person's tokens and codes.
    'cache-control': 'no-store',
    // Other origins learn nothing. Under `no-referrer` browsers would send the form itself with `Origin: null`.
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    // For browsers that don't know frame-ancestors.
    'x-frame-options': 'DENY',
    // A window that opened the page can't hold on to it and steer it away between reading and agreeing.
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy':
      'camera=(), geolocation=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()',
    ...(options.cookie === undefined ? {} : { 'set-cookie': options.cookie }),
  }
}
