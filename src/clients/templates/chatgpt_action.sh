curl -sS --fail '{{base}}/openapi.json' -H 'Authorization: Bearer {{token}}' > openapi.json
