"""The window as a person sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from lumnisai_core.local import LocalLumnis

_PATIENCE = 20.0
_LOOK_EVERY = 0.05
_CONTROLS = frozenset({"button", "link", "textbox", "searchbox", "combobox", "treeitem"})


class Page:
    """One tab that shows the window of a service."""

    def __init__(self, chrome: webdriver.Chrome) -> None:
        self._chrome = chrome

    def open(self, service: LocalLumnis, address: str = "") -> None:
        """Load the window, perhaps at an address within it that begins with a number sign."""
        self._chrome.get(f"{service.base_url}/{address}")

    def enter(self, key: str) -> None:
        """Type a key and send it."""
        self.type("#key", key)
        self.click("#enter button")

    def open_with_key(self, service: LocalLumnis) -> None:
        """Load the window and enter the right key."""
        self.open(service)
        self.enter(service.api_key)
        self.wait_for("#status", "Live")

    def shows(self, selector: str) -> bool:
        """Return whether there is such an element and it can be seen."""
        return any(element.is_displayed() for element in self._chrome.find_elements(By.CSS_SELECTOR, selector))

    def text(self, selector: str) -> str:
        """Return what can be read in the elements."""
        return "\n".join(
            self.evaluate("Array.from(document.querySelectorAll(arguments[0]), e => e.innerText)", selector)
        )

    def wait_for(self, selector: str, *texts: str) -> None:
        """Wait until the elements hold all of these texts."""
        WebDriverWait(self._chrome, _PATIENCE, _LOOK_EVERY).until(
            lambda _: all(text in self.text(selector) for text in texts),
            f"{texts} do not appear in {selector}",
        )

    def wait_until(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        WebDriverWait(self._chrome, _PATIENCE, _LOOK_EVERY).until(lambda _: self.evaluate(expression), expression)

    def type(self, selector: str, text: str) -> None:
        """Type a text into an empty field."""
        field = self._element(selector)
        field.clear()
        field.send_keys(text)

    def click(self, selector: str) -> None:
        """Click the only such element."""
        self._element(selector).click()

    def choose(self, list_id: str, text: str) -> None:
        """Click the row of a list that holds this text, once it is there."""
        self.wait_for(f"#{list_id}", text)
        row = f"//ul[@id='{list_id}']//a[contains(., '{text}')]"
        self._chrome.find_element(By.XPATH, row).click()

    def press(self, keys: str, selector: str | None = None) -> None:
        """Press keys one after the other, in an element or where the focus is."""
        target = self._chrome.switch_to.active_element if selector is None else self._element(selector)
        target.send_keys(keys)

    def evaluate(self, expression: str, *values: object) -> Any:
        """Return the value of an expression in the page."""
        return self._chrome.execute_script(f"return {expression}", *values)

    def go(self, address: str) -> None:
        """Go to an address within the window, which begins with a number sign."""
        self.evaluate("void (location.hash = arguments[0])", address)

    def back(self) -> None:
        """Go to the address before."""
        self._chrome.back()

    def resize(self, width: int, height: int) -> None:
        """Give the page this size, in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        """Prefer `light` or `dark`, as a system does."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def picture(self, path: Path) -> None:
        """Store what can be seen as an image."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._chrome.save_screenshot(str(path))

    def controls(self) -> list[tuple[str, str]]:
        """Return role and name of everything that can be operated, as a screen reader finds it."""
        nodes = self._chrome.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        found = [
            (node["role"]["value"], node["name"]["value"]) for node in nodes if not node["ignored"] and "name" in node
        ]
        return [(role, name) for role, name in found if role in _CONTROLS]

    def reload(self) -> None:
        """Load the page again in the same tab."""
        self._chrome.refresh()

    def complaints(self) -> list[str]:
        """Return what the browser complained about since the last call, such as breaches of the page's policy."""
        return [entry["message"] for entry in self._chrome.get_log("browser")]

    def _element(self, selector: str) -> WebElement:
        return self._chrome.find_element(By.CSS_SELECTOR, selector)

    def cookies(self) -> list[Any]:
        """Return the cookies that the page has set."""
        return list(self._chrome.get_cookies())
