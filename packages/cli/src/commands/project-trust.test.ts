import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startTrustWorld, type TrustWorld } from '../testing/trust-world.ts'

let world: TrustWorld

const repository = (id: number, owner: number, fullName: string) => ({
  status: 200,
  body: { id, full_name: fullName, owner: { id: owner, login: fullName.split('/')[0] } },
})
const job = {
  sub: 'repo:acme/shop:environment:production',
  repository: 'acme/shop',
  repository_id: '74',
  repository_owner_id: '65',
  environment: 'production',
  event_name: 'push',
  run_id: '1',
}
const staging = { ...job, sub: 'repo:acme/shop:environment:staging', environment: 'staging' }

beforeAll(async () => {
  world = await startTrustWorld()
  world.repositories.set('/repos/acme/shop', repository(74, 65, 'acme/shop'))
})
afterAll(() => world.close())
beforeEach(() => {
  world.asked.length = 0
})

const add = (flags: string, project = 'shop') => `project trust add ${project} --environment ${flags}`
const fromGitHub = () => `--github acme/shop --github-api ${world.api} --issuer ${world.issuer}`
type Row = { subject: string; before: unknown; after: unknown; reason?: string }
const rows = (document: Record<string, unknown>, name: string) => document[name] as Row[]

describe('project trust add --github', () => {
  let rule: string

  it('tries a rule before there is any identity to try it on', async () => {
    const { code, stdout } = await world.run(add(`production ${fromGitHub()} --dry-run`))
    expect(code).toBe(0)
    expect(stdout).toContain('Dry run: nothing was changed.')
    expect(stdout).toContain('None of them gains or loses access.')
    expect((await world.json('project trust list shop')).rules).toEqual([])
  })

  it('looks the ids up, without any credential, and says in words what it admits', async () => {
    const { code, stdout, stderr } = await world.run(add(`production ${fromGitHub()}`))
    expect(code).toBe(0)
    expect(world.asked).toEqual([{ path: '/repos/acme/shop', authorization: undefined }])
    expect(stderr).toContain('GitHub: acme/shop is repository 74 of owner 65.')
    expect(stdout).toContain('Trusted as shop in production')
    expect(stdout).toContain('Jobs of acme/shop (repository 74 of owner 65)')
    expect(stdout).toContain('pull_request_target')
    expect(stderr).toContain('warning: Any workflow of any branch')
    const { rules } = (await world.json('project trust list shop')) as { rules: { id: string }[] }
    rule = String(rules[0]?.id)
    expect(rules[0]).toMatchObject({
      issuer: world.issuer,
      audience: world.url,
      claims: { repository_id: ['74'], repository_owner_id: ['65'], environment: ['production'] },
      refuse: { event_name: ['pull_request_target'] },
      maxAgeSeconds: 600,
    })
    expect((await world.run('project trust list shop')).stdout).toContain(
      'not event_name=pull_request_target',
    )
  })

  it('S10 admits the repository, and neither what gets its name nor a job with a stranger’s code', async () => {
    expect(await world.ask(job)).toBe(200)
    expect(await world.ask({ ...job, repository_id: '7400' })).toBe(401)
    expect(await world.ask({ ...job, repository_owner_id: '6500' })).toBe(401)
    expect(await world.ask({ ...job, event_name: 'pull_request_target' })).toBe(401)
    expect(await world.ask(staging)).toBe(401)
  })

  it('S29 records each identity once, however often it comes and whatever its run', async () => {
    for (const run_id of ['2', '3']) expect(await world.ask({ ...job, run_id })).toBe(200)
    const { events } = (await world.manage('GET', '/v1/audit/events?kind=identity_seen')) as {
      events: { projectId?: string; details: { outcome: string; claims: Record<string, string> } }[]
    }
    expect(events.map(({ details }) => details.outcome).sort()).toEqual([
      'admitted',
      ...Array(4).fill('claims_unmatched'),
    ])
    const admitted = events.find(({ details }) => details.outcome === 'admitted')
    expect(admitted?.projectId).toMatch(/^prj_/)
    expect(admitted?.details.claims).toMatchObject({ repository_id: '74', event_name: 'push' })
    expect(admitted?.details.claims).not.toHaveProperty('run_id')
  })

  it('says who would gain access by another rule, and stores nothing', async () => {
    const command = add(`staging ${fromGitHub()} --dry-run`)
    const document = await world.json(command)
    expect(document).toMatchObject({
      dryRun: true,
      rule: { environment: 'staging', claims: { environment: ['staging'] } },
      words: [expect.stringContaining('"staging"'), expect.any(String), expect.any(String)],
      seen: { identities: 5 },
      loses: [],
      changes: [],
      counts: { gains: 1, loses: 0, changes: 0 },
    })
    expect(rows(document, 'gains')).toMatchObject([
      { subject: staging.sub, before: null, after: { project: { name: 'shop' }, environment: 'staging' } },
    ])
    const { stdout } = await world.run(command)
    expect(stdout).toContain(`${staging.sub} of ${world.issuer}: becomes shop in staging`)
    expect(await world.ask(staging)).toBe(401)
  })

  it('says who would lose access because another project matched it too', async () => {
    const document = await world.json(add(`production ${fromGitHub()} --dry-run`, 'other'))
    expect(rows(document, 'loses')).toMatchObject([
      { subject: job.sub, before: { environment: 'production' }, after: null, reason: 'identity_ambiguous' },
    ])
    expect(rows(document, 'gains')).toEqual([])
  })

  it('says who would lose access by a removal, which a dry run is not', async () => {
    const { code, stdout } = await world.run(`project trust remove shop ${rule} --dry-run`)
    expect(code).toBe(0)
    expect(stdout).toContain('1 loses access:')
    expect(stdout).toContain(`${job.sub} of ${world.issuer}: was shop in production`)
    expect(await world.ask(job)).toBe(200)
    const unknown = await world.run('project trust remove shop trr_none --dry-run --json')
    expect(unknown.code).toBe(1)
    expect(JSON.parse(unknown.stdout)).toMatchObject({ error: { code: 'not_found' } })
  })

  it('puts words and weaknesses into the one document of --json', async () => {
    const flags = `--github acme/shop --repository-id 74 --owner-id 65 --ref refs/heads/main --workflow acme/shop/.github/workflows/x.yml@refs/heads/main`
    const document = await world.json(add(`release ${flags}`))
    expect(document).toMatchObject({
      issuer: 'https://token.actions.githubusercontent.com',
      claims: { ref: ['refs/heads/main'] },
      words: [expect.stringContaining('acme/shop'), expect.any(String), expect.any(String)],
      weaknesses: [],
    })
    expect(world.asked).toEqual([])
  })

  it('follows a renamed repository on the same host, and says its name', async () => {
    const location = `${world.api}/repositories/74`
    world.repositories.set('/repos/acme/old', { status: 301, location })
    world.repositories.set('/repositories/74', repository(74, 65, 'acme/shop'))
    const flags = `--github acme/old --github-api ${world.api}/ --dry-run`
    const { code, stdout, stderr } = await world.run(add(`production ${flags}`))
    expect(code).toBe(0)
    expect(stderr).toContain('acme/old was renamed: it is called acme/shop now')
    expect(stderr).toContain('another GitHub than github.com')
    expect(stdout).toContain('Jobs of acme/shop (repository 74')
  })

  it.each([
    ['https://github.acme.example/api/v3', ''],
    ['https://api.github.com.evil.example', ''],
    ['https://github.acme.example/api/v3', '--issuer https://token.actions.githubusercontent.com'],
    ['https://github.acme.example/api/v3', '--issuer https://token.actions.githubusercontent.com/acme'],
  ])('S10 does not take the ids of another GitHub for those of github.com: %s %s', async (api, more) => {
    const { code, stderr } = await world.run(
      add(`production --github acme/shop --github-api ${api} ${more}`.trim()),
    )
    expect(code).toBe(2)
    expect(stderr).toContain('--github-api is another GitHub than github.com')
    expect(stderr).toContain('--issuer https://HOST/_services/token')
  })

  it('adds nothing where a rule says the same already, and answers with that one', async () => {
    const ids = '--github acme/twin --repository-id 75 --owner-id 65'
    const command = add(`production ${ids}`)
    const first = await world.json(command)
    const { code, stdout, stderr } = await world.run(`${command} --json`)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual(first)
    expect(stderr).toContain(`Nothing was added: rule ${first.id} says the same already`)
    expect((await world.run(command)).stdout).toContain('Trusted as shop in production already')
    // Another environment, age, claim or refusal is another rule.
    const others = [
      add(`release ${ids}`),
      `${command} --max-age-seconds 60`,
      `${command} --github-environment live`,
      `${command} --issuer ${world.issuer}`,
      `${command} --audience https://keys.example`,
    ]
    const made = []
    for (const other of others) made.push((await world.json(other)).id)
    const spelled = add('production --issuer https://issuer.example --claim sub=twin --claim sub=two')
    made.push((await world.json(spelled)).id, (await world.json(`${spelled} --refuse kind=debug`)).id)
    expect(new Set([first.id, ...made]).size).toBe(8)
    const reordered = add('production --issuer https://issuer.example --claim sub=two --claim sub=twin')
    expect((await world.json(reordered)).id).toBe(made[5])
  })

  it.each([
    ['unknown', { status: 404 }, 'not_found', 'no public repository'],
    [
      'sent',
      { status: 302, location: 'https://evil.example/repos/acme/sent' },
      'invalid_response',
      'elsewhere',
    ],
    ['tired', { status: 403 }, 'rate_limited', 'no more'],
    [
      'odd',
      { status: 200, body: { id: '74', full_name: 'acme/odd', owner: { id: 1 } } },
      'invalid_response',
      'not about',
    ],
    ['large', { status: 200, body: { more: 'x'.repeat(1_048_577) } }, 'invalid_response', '1 MiB'],
  ])('says what to do when GitHub does not tell the ids of %s', async (name, answer, code, message) => {
    world.repositories.set(`/repos/acme/${name}`, answer)
    const command = add(`production --github acme/${name} --github-api ${world.api}`)
    const finished = await world.run(command)
    expect(finished.code).toBe(1)
    expect(finished.stderr).toContain(message)
    expect(finished.stderr).toContain('--repository-id N --owner-id N')
    expect(JSON.parse((await world.run(`${command} --json`)).stdout)).toMatchObject({ error: { code } })
  })
})

describe('project trust add for other platforms', () => {
  const [one, two] = ['1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed', '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d']

  it.each([
    `--gitlab acme/shop --project-id 22 --namespace-id 72 --gitlab-url https://gitlab.example --gitlab-environment live`,
    `--circleci github.com/acme/shop --org-id ${one} --project-id ${two} --ref refs/heads/main`,
    `--buildkite ${one} --org-id ${two} --cluster-id ${one} --queue-id ${two} --branch main --build-source ui`,
    `--bitbucket acme --repository-id {${one}} --deployment-id {${two}}`,
    '--hcp-terraform ws-1234 --org-id org-1234 --terraform-url https://tfe.example',
    '--vercel prj_1234 --owner-id team_1 --team acme --vercel-environment production',
    '--fly acme --org-id 1 --app-id 2',
    '--trigger-dev acme --subject project:1',
    '--deno-deploy app --org-id org --context-id ctx',
    '--google-cloud shop@acme.iam.gserviceaccount.com --service-account-id 117',
    '--aws arn:aws:iam::123456789012:role/shop --issuer https://abc.tokens.sts.global.api.aws',
    `--azure ${one} --tenant-id ${two} --application-id ${one}`,
    `--kubernetes shop/agent --issuer https://cluster.example --service-account-id ${one}`,
    '--spiffe spiffe://acme.example/shop --issuer https://spire.example',
    '--modal ap-1234 --workspace-id ac-1234 --environment-id en-1234 --accept-fixed-audience',
    `--semaphore acme --org-id ${one} --project-id ${two} --ref refs/heads/main --accept-fixed-audience`,
    '--spacelift acme.app.spacelift.io --space-id root --stack shop --accept-fixed-audience',
  ])('the broker takes what the flags say: %s', async (flags) => {
    const document = await world.json(add(`production ${flags} --dry-run`))
    expect(document).toMatchObject({ dryRun: true, gains: [] })
    expect(document.words).toContainEqual(expect.stringMatching(/^Their tokens are for the audience/))
  })

  it('warns that tokens of one audience can be replayed', async () => {
    const flags = '--modal ap-1234 --workspace-id ac-1234 --environment-id en-1234 --accept-fixed-audience'
    const { code, stderr } = await world.run(add(`production ${flags} --dry-run`))
    expect(code).toBe(0)
    expect(stderr).toContain('can replay it here')
  })

  it('takes a rule spelled out, with what it refuses', async () => {
    const flags = `--issuer https://issuer.example --claim sub=build --refuse kind=debug --refuse kind=test`
    const document = await world.json(add(`production ${flags}`))
    expect(document).toMatchObject({ claims: { sub: ['build'] }, refuse: { kind: ['debug', 'test'] } })
    expect(document.words).toContain('Not: those whose kind is "debug" or "test".')
  })

  it.each([
    ['', '--github owner/name'],
    ['--issuer https://issuer.example', '--issuer needs --claim'],
    ['--claim sub=a', '--claim needs --issuer'],
    ['--github acme/shop --gitlab acme/shop', '--github and --gitlab'],
    ['--github acme/shop --repository-id 74', '--owner-id'],
    ['--github acme/shop --repository-id 74 --owner-id 65 --github-api https://api.example', '--github-api'],
    ['--github acme/shop --github-api http://api.example', '--github-api must use https'],
    ['--github acme', '--github must be owner/name'],
    ['--github acme/shop --ref refs/heads/main', '--ref and --workflow belong together'],
    ['--github acme/shop --workflow acme/shop/.github/workflows/x.yml@main', '--ref and --workflow'],
    [
      '--github acme/shop --ref refs/heads/main --workflow w --github-environment e',
      '--github-environment or',
    ],
    [`--buildkite ${one} --org-id ${two}`, '--cluster-id, --queue-id or --branch'],
    [
      `--buildkite ${one} --org-id ${two} --queue-id ${one} --build-source ui`,
      '--build-source needs --branch',
    ],
    [`--azure ${one} --tenant-id ${two}`, '--azure needs --application-id'],
    [`--azure ${one} --application-id ${two}`, '--azure needs --tenant-id'],
    ['--github acme/shop --claim sub=a', '--claim does not belong to --github'],
    ['--github acme/shop --team acme', '--team does not belong to --github'],
    ['--gitlab acme/shop --namespace-id 72', '--gitlab needs --project-id'],
    ['--gitlab acme/shop --issuer https://gitlab.example', '--issuer does not belong to --gitlab'],
    ['--issuer https://issuer.example --claim sub=a --ref refs/heads/main', '--ref needs a platform'],
    [
      '--kubernetes agent --issuer https://c.example --service-account-id 1',
      '--kubernetes must be namespace/name',
    ],
    ['--modal ap-1 --workspace-id ac-1 --environment-id en-1', '--modal needs --accept-fixed-audience'],
    ['--fly acme --org-id 1 --app-id 2 --accept-fixed-audience', '--accept-fixed-audience'],
  ])('refuses "%s" as misuse and names the flag', async (flags, message) => {
    const { code, stderr } = await world.run(add(`production ${flags}`.trim()))
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(world.asked).toEqual([])
  })

  it.each([
    ['--gitlab acme/shop --project-id * --namespace-id 72', '--project-id: has a *'],
    ['--fly acme* --org-id 1 --app-id 2', '--fly: has a *'],
  ])('S09 the broker refuses a pattern in %s', async (flags, message) => {
    const { code, stderr } = await world.run(add(`production ${flags}`))
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })

  it.each([
    ['--github acme --repository-id 74 --owner-id 65', '--github: must be owner/name'],
    [
      '--github acme/shop --repository-id 74 --owner-id 65 --ref main --workflow w',
      '--ref: must be a whole ref',
    ],
    [
      '--github acme/shop --repository-id 74 --owner-id 65 --issuer https://evil.example',
      '--issuer: not one',
    ],
    [
      `--kubernetes shop/A --issuer https://c.example --service-account-id ${one}`,
      '--kubernetes (name): must be the name',
    ],
    [`--buildkite ${one} --org-id ${two} --branch main --build-source x`, '--build-source: must be webhook'],
  ])('names flags and not fields where the broker does not take %s', async (flags, message) => {
    const command = add(`production ${flags}`)
    const { code, stdout } = await world.run(`${command} --json`)
    expect(code).toBe(2)
    const { error } = JSON.parse(stdout)
    expect(error).toMatchObject({ code: 'invalid_request', requestId: expect.stringMatching(/./) })
    expect(error.message).toContain(message)
    const { stderr, ...dry } = await world.run(`${command} --dry-run`)
    expect(dry.code).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr).not.toContain('template')
  })

  it('keeps its help in groups', async () => {
    const { stdout } = await world.run('project trust add --help')
    for (const heading of ['Platforms (one of them', 'What platforms ask for:', 'A rule spelled out:'])
      expect(stdout).toContain(heading)
  })
})
