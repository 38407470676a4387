import { defineConfig } from 'tsup'
import { moduleByModule } from '../../tooling/tsup-library.ts'

export default defineConfig(
  moduleByModule({
    index: 'src/index.ts',
    'identity/index': 'src/identity/index.ts',
    'sign-in/index': 'src/sign-in/index.ts',
    'telemetry/index': 'src/telemetry/index.ts',
    'token-exchange/index': 'src/token-exchange/index.ts',
    'webhooks/index': 'src/webhooks/index.ts',
  }),
)
