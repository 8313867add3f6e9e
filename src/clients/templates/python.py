import itertools
import json
import urllib.request

URL = "{{url}}"
HEADERS = {
    "Authorization": "Bearer {{token}}",
    "Content-Type": "application/json",
    "Accept": "application/json",  # one answer, and no event stream
}
numbers = itertools.count(1)


def request(method, params):
    message = {"jsonrpc": "2.0", "id": next(numbers), "method": method, "params": params}
    post = urllib.request.Request(URL, json.dumps(message).encode(), HEADERS)
    with urllib.request.urlopen(post, timeout=300) as response:
        answer = json.load(response)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["result"]


print([tool["name"] for tool in request("tools/list", {})["tools"]])
reply = request("tools/call", {"name": "list_user_sessions", "arguments": {}})
print(reply["structuredContent"])
