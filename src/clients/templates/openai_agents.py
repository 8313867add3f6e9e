import asyncio

from agents.mcp import MCPServerStreamableHttp

server = MCPServerStreamableHttp(
    name="kasm",
    params={
        "url": "{{url}}",
        "headers": {"Authorization": "Bearer {{token}}"},
        "timeout": 60,
    },
    client_session_timeout_seconds=300,
)


async def main():
    async with server:  # for Agent(name="Operator", mcp_servers=[server])
        print([tool.name for tool in await server.list_tools()])


asyncio.run(main())
