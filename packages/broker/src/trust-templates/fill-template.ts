import { hasControlCharacter } from '../authenticate/claim-pattern.ts'
import { accept, type Outcome, refuse } from '../refusal.ts'
import { isRecord } from '../strict-json.ts'
import { aws } from './aws.ts'
import { azure } from './azure.ts'
import { bitbucket } from './bitbucket.ts'
import { buildkite } from './buildkite.ts'
import { circleci } from './circleci.ts'
import { denoDeploy } from './deno-deploy.ts'
import { fly } from './fly.ts'
import { github } from './github.ts'
import { gitlab } from './gitlab.ts'
import { googleCloud } from './google-cloud.ts'
import { hcpTerraform } from './hcp-terraform.ts'
import { kubernetes } from './kubernetes.ts'
import { modal } from './modal.ts'
import { semaphore } from './semaphore.ts'
import { spacelift } from './spacelift.ts'
import { spiffe } from './spiffe.ts'
import type { FieldShape, FilledTemplate, TemplateAbout, TrustTemplate } from './template.ts'
import { triggerDev } from './trigger-dev.ts'
import { vercel } from './vercel.ts'

/** Every template. */
export const trustTemplates: readonly TrustTemplate[] = [
  github,
  gitlab,
  circleci,
  buildkite,
  bitbucket,
  hcpTerraform,
  vercel,
  fly,
  triggerDev,
  denoDeploy,
  googleCloud,
  aws,
  azure,
  kubernetes,
  spiffe,
  modal,
  semaphore,
  spacelift,
]

const maxFieldLength = 1_024

/**
 * Turns `{ platform, …fields }` into what a trust rule is made of. The refusal is `request_invalid` and names the field.
 *
 * A field is taken as it is or not at all: no `*`, no control character, nothing empty, nothing unknown, and ids only in
 * the shape that the platform gives them (S09).
 */
export function fillTemplate(input: unknown, about: TemplateAbout): Outcome<FilledTemplate> {
  if (!isRecord(input)) return invalid('template: an object with a platform and its fields')
  const { platform, acceptFixedAudience, ...given } = input
  const template = trustTemplates.find((candidate) => candidate.platform === platform)
  if (template === undefined) {
    return invalid(`template.platform: one of ${trustTemplates.map((one) => one.platform).join(', ')}`)
  }
  const consent = consentFault(template, acceptFixedAudience)
  if (consent !== undefined) return invalid(`template.acceptFixedAudience: ${consent}`)

  const unknown = Object.keys(given).find((name) => !Object.hasOwn(template.fields, name))
  if (unknown !== undefined) {
    return invalid(`template: "${unknown.slice(0, 60)}" is not a field of ${template.platform}`)
  }
  const fields: Record<string, string | undefined> = {}
  for (const [name, shape] of Object.entries(template.fields)) {
    const value = given[name]
    if (value === undefined && shape.optional === true) continue
    const fault = fieldFault(shape, value)
    if (typeof value !== 'string' || fault !== undefined) return invalid(`template.${name}: ${fault}`)
    fields[name] = value
  }

  const filled = template.fill(fields, about)
  if (typeof filled === 'string') return invalid(`template.${filled}`)
  if (!template.fixedAudience) return accept(filled)
  const replay = `A ${template.title} token is made for every service that takes ${template.title} tokens: whoever receives one there can replay it here.`
  return accept({ ...filled, weaknesses: [replay, ...(filled.weaknesses ?? [])] })
}

function consentFault(template: TrustTemplate, given: unknown): string | undefined {
  if (template.fixedAudience) {
    return given === true
      ? undefined
      : `must be true: tokens of ${template.title} have an audience that nobody can choose, so they can be replayed`
  }
  return given === undefined ? undefined : `tokens of ${template.title} are made for one audience`
}

function fieldFault(shape: FieldShape, value: unknown): string | undefined {
  if (value === undefined) return `is missing: ${shape.what}`
  if (typeof value !== 'string') return 'must be a string'
  if (value === '') return 'must not be empty'
  if (value.length > maxFieldLength) return `longer than ${maxFieldLength} characters`
  if (hasControlCharacter(value)) return 'holds a control character'
  if (value.includes('*')) return 'has a *: a template takes exact values only'
  return shape.pattern.test(value) ? undefined : `must be ${shape.what}`
}

function invalid(message: string): Outcome<never> {
  return refuse({ reason: 'request_invalid', message })
}
