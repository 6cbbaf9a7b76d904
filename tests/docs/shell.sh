# What the documents' blocks find when they run here: a folder of their own, the programs on the path, a small lab.
set -euo pipefail

admin() { python3 -c "import json; print(json.load(open('target/lab/lab.json'))['admin_token'])"; }
key() { python3 -c "import json; print(json.load(open('target/lab/lab.json'))['centrals'][0]['edges'][0]['api_key'])"; }
if [ -e target/lab/lab.json ]; then
  ADMIN="$(admin)" KEY="$(key)"
  printf '%s' "$ADMIN" > admin-token
  cp target/lab/tls/ca.pem ca.pem
  export ADMIN_TOKEN_FILE=admin-token PARKMESH_URL="http://127.0.0.1:$((BASE + 1))"
fi

# A refusal is a failure, and every answer ends its line.
curl() {
  command curl -sS --fail-with-body --max-time 30 "$@" || { echo; echo "curl: refused, or no answer"; return 1; }
  echo
}

until_said() {
  for _ in $(seq 50); do "$@" && return 0; sleep 0.2; done
  "$@"
}

# Opens the lane's stream, gives the command that the document tells of (it waits for the lane), and waits until it came.
commanded() {
  local edge="${*: -1}"
  edge="${edge##*edge_id=}"
  (timeout 10 curl -sN "$@" > stream.txt || true) &
  curl -s "http://127.0.0.1:$((BASE + 1))/api/edges/$edge/commands" -H "Authorization: Bearer $ADMIN" -H 'Content-Type: application/json' \
    -d '{"command": "open", "staff_id": "nv-07", "reason": "the document tells of it"}'
  until_said grep -q '^event: command' stream.txt
  cat stream.txt
  COMMAND="$(sed -n 's/^data: .*"command_id":"\([^"]*\)".*/\1/p' stream.txt | head -n 1)"
}
