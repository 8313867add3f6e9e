import asyncio

from langchain_mcp_adapters.client import MultiServerMCPClient

client = MultiServerMCPClient(
    {
        "kasm": {
            "transport": "http",
            "url": "{{url}}",
            "headers": {"Authorization": "Bearer {{token}}"},
        }
    }
)


async def main():
    tools = await client.get_tools()  # for create_agent(model, tools)
    print([tool.name for tool in tools])


asyncio.run(main())
