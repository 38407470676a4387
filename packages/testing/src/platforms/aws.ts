import type { FakePlatform, PlatformOptions } from './fake-platform.ts'
import { startPlatform } from './start-platform.ts'

const accessKey = 'AKIAFAKEFAKEFAKEFAKE'

/**
 * An AWS role of an account with outbound identity federation, and the regional STS that AWS's own SDKs are led to by
 * `AWS_ENDPOINT_URL_STS`. They read the process's environment. Signatures are not verified. Tokens live as long as they
 * are asked for.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_GetWebIdentityToken.html
 */
export async function startAws(options: PlatformOptions = {}): Promise<FakePlatform> {
  const { now = Date.now } = options
  const core = await startPlatform(
    {
      algorithm: 'RS256',
      lifetimeSeconds: 300,
      hasTokenId: true,
      claims: {
        sub: 'arn:aws:iam::123456789012:role/website',
        'https://sts.amazonaws.com/': {
          aws_account: '123456789012',
          org_id: 'o-a1b2c3d4e5',
          principal_id: 'arn:aws:iam::123456789012:role/website',
          source_region: 'eu-central-1',
        },
      },
      answer({ method, headers, text }, { mint, read }) {
        if (method !== 'POST') return undefined
        if (headers.authorization?.includes(`Credential=${accessKey}/`) !== true)
          return failure('AccessDenied')
        const form = new URLSearchParams(text)
        if (form.get('Action') !== 'GetWebIdentityToken') return failure('InvalidAction')
        const audience = form.get('Audience.member.1')
        const seconds = Number(form.get('DurationSeconds') ?? 300)
        const isAllowed = audience !== null && form.get('SigningAlgorithm') === 'RS256' && seconds >= 60
        if (!isAllowed || seconds > 3_600) return failure('ValidationError')
        const token = mint(audience)
        const expiration = new Date(Number(read(token)?.exp ?? now() / 1000) * 1000).toISOString()
        return xml(
          'GetWebIdentityTokenResponse',
          `<GetWebIdentityTokenResult><Expiration>${expiration}</Expiration>` +
            `<WebIdentityToken>${token}</WebIdentityToken></GetWebIdentityTokenResult>`,
        )
      },
    },
    options,
  )
  return {
    ...core,
    environment: {
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: 'secret-access-key-of-the-fake',
      AWS_ENDPOINT_URL_STS: core.url,
      VALETKEY_IDENTITY: 'aws',
    },
  }
}

// STS speaks AWS's query protocol: a form in, XML out.
function xml(name: string, content: string, status = 200) {
  return {
    status,
    headers: { 'content-type': 'text/xml' },
    body:
      `<${name} xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${content}` +
      `<ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata></${name}>`,
  }
}

function failure(code: string) {
  return xml(
    'ErrorResponse',
    `<Error><Type>Sender</Type><Code>${code}</Code><Message>refused</Message></Error>`,
    403,
  )
}
