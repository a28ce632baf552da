"""The pages of an export in a real browser, from a folder, as somebody opens them at home."""

from pathlib import Path

from playwright.async_api import async_playwright

from tests.agent.subject_rights.subject_house import SubjectHouse, unzipped

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"


async def test_a_browser_shows_it_without_complaint(house: SubjectHouse, tmp_path: Path) -> None:
    folder = tmp_path / "unzipped"
    for name, content in unzipped(await house.streamed()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    complaints: list[str] = []
    asked: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        page = await browser.new_page(viewport={"width": 1100, "height": 900})
        page.on("console", lambda line: complaints.append(line.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"file://{folder}/index.html")
        for image in await page.locator("img").all():
            await image.scroll_into_view_if_needed()
        await page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth === 64)")
        assert await page.locator("img").count() == 4
        await page.screenshot(path=tmp_path / "page.png", full_page=True)
        await page.get_by_role("link", name="Bilder").click()
        assert page.url.endswith("#snapshot")
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        await browser.close()
    assert complaints == []
    assert wide == 0
    assert all(url.startswith(f"file://{folder}/") for url in asked), "nobody is asked for anything"
