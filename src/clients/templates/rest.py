import json
import urllib.error
import urllib.request

TOOLS = "{{base}}/tools/list?format=openai"
CALL = "{{base}}/tools/call"
HEADERS = {"Authorization": "Bearer {{token}}", "Content-Type": "application/json"}


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, HEADERS), timeout=300) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as failed:  # its body tells the model what to do about it
        return json.load(failed)


tools = ask(TOOLS)["tools"]  # for the field `tools` of a request to the model
print([tool["function"]["name"] for tool in tools])
# For each call that the model asks for:
print(ask(CALL, {"name": "list_user_sessions", "arguments": {}}))
