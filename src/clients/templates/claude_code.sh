claude mcp add --transport http kasm '{{url}}' --header 'Authorization: Bearer {{token}}'
