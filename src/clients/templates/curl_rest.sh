curl -s '{{base}}/api/v1/tools/get_available_workspaces' -X POST -H 'Authorization: Bearer {{token}}'
