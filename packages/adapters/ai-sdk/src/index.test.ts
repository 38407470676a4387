import { globSync, readFileSync } from 'node:fs'
import * as mcp from '@valetkey/mcp'
import { expect, it } from 'vitest'
import * as aiSdk from './index.ts'

it('exports exactly these values', () => {
  expect(Object.keys(aiSdk).sort()).toEqual([
    'ConsentRequiredError',
    'connectAuthProvider',
    'connectTool',
    'connectTransport',
    'getConsentChallenge',
    'isConsentRequired',
    'isConsentRequiredError',
  ])
})

it('has those of @valetkey/mcp, and no copies of them', () => {
  const { ConsentRequiredError, connectAuthProvider, connectTransport, getConsentChallenge } = mcp
  expect(aiSdk).toMatchObject({
    ConsentRequiredError,
    connectAuthProvider,
    connectTransport,
    getConsentChallenge,
    isConsentRequiredError: mcp.isConsentRequiredError,
  })
})

it('takes nothing but types from the framework, and nothing from Node', () => {
  const folder = new URL('.', import.meta.url).pathname
  for (const file of globSync('*.ts', { cwd: folder })) {
    if (file.includes('test')) continue
    const source = readFileSync(`${folder}${file}`, 'utf8')
    const imported = [...source.matchAll(/^(?:import|export) (?!type)[^']*from '([^']+)'/gm)].map(
      ([, from]) => from,
    )
    for (const from of imported) expect(from).toMatch(/^(\.\/[a-z-]+\.ts|@valetkey\/(sdk|mcp))$/)
  }
})
