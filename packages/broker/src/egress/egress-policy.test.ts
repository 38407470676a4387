import { describe, expect, it } from 'vitest'
import { checkDestination, parseEgressPolicy } from './egress-policy.ts'
import { EgressRefused } from './egress-refused.ts'

function check(options: {
  readonly allow?: readonly string[]
  readonly allowLoopback?: boolean
  readonly url?: string
  readonly to: readonly string[]
}): string {
  const policy = parseEgressPolicy({
    allow: options.allow ?? [],
    allowLoopback: options.allowLoopback ?? false,
  })
  const url = new URL(options.url ?? 'https://host.example')
  const port = url.port === '' ? 443 : Number(url.port)
  try {
    checkDestination(policy, { protocol: url.protocol, hostname: url.hostname, port }, options.to)
    return 'open'
  } catch (error) {
    return error instanceof EgressRefused ? error.reason : String(error)
  }
}

describe('checkDestination', () => {
  it('lets https to public addresses out', () => {
    expect(check({ to: ['1.1.1.1', '2606:4700::1'] })).toBe('open')
  })

  it.each([['127.0.0.1'], ['10.0.0.1'], ['100.64.0.1'], ['fd00::1'], ['192.0.2.1'], ['::1']])(
    'S22 refuses a name that leads to %s',
    (address) => {
      expect(check({ to: [address] })).toBe('address_not_public')
      expect(check({ to: ['1.1.1.1', address] })).toBe('address_not_public')
    },
  )

  it.each([
    '169.254.169.254',
    'fe80::1',
    'fd00:ec2::254',
    '0.0.0.0',
    '::',
    '224.0.0.1',
    'nonsense',
    'fe80::1%lo',
  ])('S22 refuses %s whatever is allowed', (address) => {
    const allow = ['host.example', '128.0.0.0/8', '160.0.0.0/8', '169.0.0.0/8', 'fc00::/7', 'fe00::/7']
    expect(check({ allow, allowLoopback: true, to: [address] })).toBe('address_forbidden')
    expect(check({ allow, allowLoopback: true, to: ['1.1.1.1', address] })).toBe('address_forbidden')
  })

  it('S22 http goes to loopback only, and only where loopback is open', () => {
    const url = 'http://host.example:8080'
    expect(check({ url, to: ['1.1.1.1'] })).toBe('scheme_not_allowed')
    expect(check({ url, to: ['127.0.0.1'] })).toBe('address_not_public')
    expect(check({ url, allowLoopback: true, to: ['127.0.0.1', '::1'] })).toBe('open')
    expect(check({ url, allow: ['host.example'], to: ['127.0.0.1'] })).toBe('open')
    expect(check({ url, allow: ['127.0.0.0/8'], to: ['127.0.0.1'] })).toBe('open')
    expect(check({ url, allow: ['10.0.0.0/8'], to: ['10.0.0.1'] })).toBe('scheme_not_allowed')
    expect(check({ url, allowLoopback: true, to: ['127.0.0.1', '1.1.1.1'] })).toBe('scheme_not_allowed')
  })

  it.each([
    ['10.0.0.0/8', '10.9.9.9', 'open'],
    ['10.0.0.0/8', '11.0.0.1', 'open'],
    ['10.0.0.0/8', '172.16.0.1', 'address_not_public'],
    ['10.1.2.3', '10.1.2.3', 'open'],
    ['10.1.2.3', '::ffff:10.1.2.3', 'open'],
    ['10.1.2.3', '10.1.2.4', 'address_not_public'],
    ['10.1.2.3:443', '10.1.2.3', 'open'],
    ['10.1.2.3:8443', '10.1.2.3', 'address_not_public'],
    ['fd12::/16', 'fd12::7', 'open'],
    ['fd12::/16', 'fd13::7', 'address_not_public'],
    ['[fd12::7]:443', 'fd12::7', 'open'],
    ['[fd12::7]:8443', 'fd12::7', 'address_not_public'],
    ['::1', '::1', 'open'],
    ['198.18.0.0/15', '198.18.0.1', 'open'],
    ['64:ff9b::/96', '64:ff9b::8.8.8.8', 'open'],
    ['64:ff9b::/96', '64:ff9b::10.0.0.1', 'address_forbidden'],
    ['host.example', '10.0.0.1', 'open'],
    ['HOST.example.', '10.0.0.1', 'open'],
    ['host.example:443', '10.0.0.1', 'open'],
    ['host.example:8443', '10.0.0.1', 'address_not_public'],
    ['example', '10.0.0.1', 'address_not_public'],
    ['a.host.example', '10.0.0.1', 'address_not_public'],
    ['host.example', '192.0.2.1', 'address_not_public'],
  ])('with %s allowed, %s is %s', (entry, address, expected) => {
    expect(check({ allow: [entry], to: [address] })).toBe(expected)
  })

  it('names the host and the setting, not the address', () => {
    const policy = parseEgressPolicy({ allow: [], allowLoopback: false })
    const destination = { protocol: 'https:', hostname: 'ghe.example', port: 443 }
    expect(() => checkDestination(policy, destination, ['10.1.2.3'])).toThrow(
      'Refused to call "ghe.example": it leads to an address that is not public (private). If that is intended, add "ghe.example" to VALETKEY_EGRESS_ALLOW',
    )
  })
})

describe('parseEgressPolicy', () => {
  it.each([
    '',
    ' ',
    '*',
    '*.example',
    'host example',
    'https://host.example',
    'host.example/path',
    'host:0',
    'host:70000',
    'host:',
    'host:x',
    '10.0.0.0/33',
    '10.0.0.0/',
    '0.0.0.0/0',
    '::/0',
    '8.0.0.0/7',
    'fc00::/6',
    '10.1/8',
    '127.1',
    '0177.0.0.1',
    '2130706433',
    '0x7f.1',
    '169.254.169.254',
    '169.254.0.0/16',
    '169.254.1.0/24',
    'fe80::/10',
    'fe80::1',
    'fe80::1%eth0',
    '::ffff:169.254.1.1',
    '::ffff:10.0.0.0/104',
    '0.0.0.0',
    '0.0.0.0/8',
    '224.0.0.0/8',
    'ff00::/8',
    '100.100.100.200',
    'fd00:ec2::254',
    '[::1',
    '::1]',
    '[::1]x',
    'a..b',
    '-a.example',
    'a-.example',
    '[host]:80',
  ])('refuses the entry %j and names it', (entry) => {
    expect(() => parseEgressPolicy({ allow: ['ok.example', entry], allowLoopback: false })).toThrow(
      `VALETKEY_EGRESS_ALLOW: entry "${entry}"`,
    )
  })

  it.each([
    'host',
    'host_1.example',
    'xn--bcher-kva.example',
    'bücher.example',
    '10.0.0.0/8',
    '::1',
    '[::1]:80',
  ])('accepts the entry %j', (entry) => {
    expect(parseEgressPolicy({ allow: [entry], allowLoopback: false }).entries).toHaveLength(1)
  })
})
