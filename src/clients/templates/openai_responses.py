from openai import OpenAI

response = OpenAI().responses.create(
    model="YOUR_MODEL",
    input="Which Kasm workspaces are there?",
    tools=[
        {
            "type": "mcp",
            "server_label": "kasm",
            "server_url": "{{url}}",
            "authorization": "{{token}}",
            "allowed_tools": {"read_only": True},
            "require_approval": "never",
        }
    ],
)
print(response.output_text)
