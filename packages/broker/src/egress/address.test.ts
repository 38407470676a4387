import { describe, expect, it } from 'vitest'
import { type AddressKind, classifyAddress, parseAddress } from './address.ts'

function kindOf(text: string): AddressKind | 'unreadable' {
  const address = parseAddress(text)
  return address === undefined ? 'unreadable' : classifyAddress(address)
}

describe('classifyAddress', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '140.82.121.4',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '100.63.255.255',
    '100.128.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450::1',
    '::ffff:8.8.8.8',
  ])('%s is public', (text) => {
    expect(kindOf(text)).toBe('public')
  })

  it.each<[string, AddressKind]>([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::1', 'loopback'],
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['2130706433', 'loopback'],
    ['0x7f000001', 'loopback'],
    ['017700000001', 'loopback'],
    ['127.1', 'loopback'],
    ['0x7f.1', 'loopback'],
    ['0177.0.0.1', 'loopback'],
    ['127.0.1', 'loopback'],
    ['10.0.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['::ffff:10.0.0.1', 'private'],
    ['::ffff:a00:1', 'private'],
    ['0xa000001', 'private'],
    ['fc00::1', 'private'],
    ['fd12:3456::1', 'private'],
    ['100.64.0.1', 'private'],
    ['100.127.255.255', 'private'],
    ['192.0.0.1', 'special'],
    ['192.0.2.1', 'special'],
    ['198.51.100.1', 'special'],
    ['203.0.113.1', 'special'],
    ['198.18.0.1', 'special'],
    ['198.19.255.255', 'special'],
    ['192.88.99.1', 'special'],
    ['240.0.0.1', 'special'],
    ['2001:db8::1', 'special'],
    ['3fff::1', 'special'],
    ['2001::1', 'special'],
    ['2001:10::1', 'special'],
    ['2001:2::1', 'special'],
    ['100::1', 'special'],
    ['fec0::1', 'special'],
    ['5f00::1', 'special'],
    ['4000::1', 'special'],
    ['1234::1', 'special'],
    ['64:ff9b::8.8.8.8', 'special'],
    ['2002:808:808::1', 'special'],
    ['169.254.0.1', 'forbidden'],
    ['169.254.169.254', 'forbidden'],
    ['2852039166', 'forbidden'],
    ['0xa9fea9fe', 'forbidden'],
    ['0251.0376.0251.0376', 'forbidden'],
    ['::ffff:169.254.169.254', 'forbidden'],
    ['::ffff:a9fe:a9fe', 'forbidden'],
    ['fe80::1', 'forbidden'],
    ['febf::1', 'forbidden'],
    ['fe80::1%eth0', 'forbidden'],
    ['2606:4700::1%1', 'forbidden'],
    ['64:ff9b::169.254.169.254', 'forbidden'],
    ['64:ff9b::10.0.0.1', 'forbidden'],
    ['64:ff9b::127.0.0.1', 'forbidden'],
    ['64:ff9b:1::a9fe:a9fe', 'forbidden'],
    ['2002:a9fe:a9fe::', 'forbidden'],
    ['2002:7f00:1::1', 'forbidden'],
    ['::169.254.169.254', 'forbidden'],
    ['::127.0.0.1', 'forbidden'],
    ['::8.8.8.8', 'special'],
    ['::a9fe:a9fe', 'forbidden'],
    ['fe80::1.2.3.4%eth0', 'forbidden'],
    ['::ffff:0:127.0.0.1', 'forbidden'],
    ['0.0.0.0', 'forbidden'],
    ['0', 'forbidden'],
    ['0x0', 'forbidden'],
    ['0.1.2.3', 'forbidden'],
    ['::', 'forbidden'],
    ['::ffff:0.0.0.0', 'forbidden'],
    ['224.0.0.1', 'forbidden'],
    ['239.255.255.255', 'forbidden'],
    ['255.255.255.255', 'forbidden'],
    ['ff02::1', 'forbidden'],
    ['fd00:ec2::254', 'forbidden'],
    ['fd20:ce::254', 'forbidden'],
    ['100.100.100.200', 'forbidden'],
    ['192.0.0.192', 'forbidden'],
    ['168.63.129.16', 'forbidden'],
  ])('S22 %s is %s', (text, kind) => {
    expect(kindOf(text)).toBe(kind)
  })

  it.each(['', 'localhost', 'a.b', '1.2.3.4.5', '256.0.0.1', '::g', '[::1]', '1.2.3.4/8', ' 127.0.0.1'])(
    '%j is no address',
    (text) => {
      expect(kindOf(text)).toBe('unreadable')
    },
  )
})
