// The agent: it holds an identity (`.env.local`), two addresses, and no secret.
import { createMCPClient } from '@ai-sdk/mcp'
import { connectTool, connectTransport } from '@valetkey/ai-sdk'
import { expect, seen, step } from '@valetkey/example-support'
import { isStepCount, ToolLoopAgent } from 'ai'
import { z } from 'zod'
import { scriptedModel } from './model.ts'

const apiUrl = process.env.GITHUB_API_URL ?? 'https://api.github.com'
const handbookUrl = process.env.HANDBOOK_URL ?? ''

// #region tools
// The model writes the title, and has no say in where: the repository comes from the context.
const openIssue = connectTool({
  connector: 'github/helper',
  description: 'Opens an issue',
  inputSchema: z.object({ title: z.string() }),
  contextSchema: z.object({ repository: z.string() }),
  params: ({ repository }) => ({
    subject: { type: 'app' },
    authorizationDetails: [
      { type: 'github_app_installation', repositories: [repository], permissions: ['issues:write'] },
    ],
  }),
  async execute({ title }, { fetch, context }) {
    const response = await fetch(`${apiUrl}/repos/${context.repository}/issues`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title }),
    })
    if (!response.ok) throw new Error(`GitHub answered ${response.status}`)
    const { number } = (await response.json()) as { number: number }
    return { number, title }
  },
})

const handbook = await createMCPClient({
  transport: {
    type: 'http',
    url: handbookUrl,
    ...connectTransport(handbookUrl, 'api-key/handbook', { subject: { type: 'app' } }),
  },
})
const tools = { ...(await handbook.tools()), openIssue }
// #endregion

async function run(repository: string, scripted: ReturnType<typeof scriptedModel>): Promise<string> {
  const agent = new ToolLoopAgent({
    model: scripted.model,
    tools,
    toolsContext: { openIssue: { repository } },
    stopWhen: isStepCount(5),
  })
  const { text } = await agent.generate({ prompt: 'The start page is slow. Please open an issue.' })
  for (const result of scripted.told()) seen(`the model was told ${JSON.stringify(result)}`)
  return text
}

try {
  step('The agent reads the handbook and opens an issue', 'A tool of an MCP server, and one of its own.')
  const honest = scriptedModel([
    [{ tool: 'handbook', input: {} }],
    [{ tool: 'openIssue', input: { title: '[web] The start page is slow' } }],
    'I have opened it.',
  ])
  seen(`it says: ${await run('acme/website', honest)}`)
  expect(JSON.stringify(honest.told()).includes('[web]'), 'no issue was opened')
  expect(!/ghs_|key_|Bearer/.test(honest.sent()), 'the model was shown a credential')

  step(
    'A hijacked model wants the issue elsewhere',
    'The repository comes from the context: what the model writes about it goes nowhere.',
  )
  const hijacked = scriptedModel([
    [{ tool: 'openIssue', input: { title: 'Pay me', repository: 'acme/payroll' } }],
    'Done.',
  ])
  await run('acme/website', hijacked)

  step(
    'The app itself asks for more than its ceiling',
    'The broker refuses. The model is told that, and not in the words of whoever refused.',
  )
  const above = scriptedModel([[{ tool: 'openIssue', input: { title: 'Raise' } }], 'It did not work.'])
  await run('acme/payroll', above)
  expect(JSON.stringify(above.told()).includes('above_ceiling'), 'the broker gave a token for payroll')
} finally {
  await handbook.close()
}
