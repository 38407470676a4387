valetkey project create agent
printf '{"value":"weather-key"}' | valetkey connect create api-key --name weather --data @-
valetkey connect attach api-key/weather --project agent -e development
valetkey env pull --project agent --environment development
set -a; . ./.env.local; set +a

printf %s "$VALETKEY_ID_TOKEN" | curl --silent --show-error "$VALETKEY_URL/oauth/token" \
  --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:token-exchange \
  --data-urlencode subject_token@- \
  --data-urlencode subject_token_type=urn:ietf:params:oauth:token-type:id_token \
  --data-urlencode audience=api-key/weather
