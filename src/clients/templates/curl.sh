curl -s '{{url}}' -H 'Authorization: Bearer {{token}}' -H 'Content-Type: application/json' \
  -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_available_workspaces"}}'
