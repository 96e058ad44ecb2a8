"""The window as a person sees it."""

from __future__ import annotations

from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from lumnisai_core.local import LocalLumnis

_PATIENCE = 20.0
_LOOK_EVERY = 0.05


class Page:
    """One tab that shows the window of a service."""

    def __init__(self, chrome: webdriver.Chrome) -> None:
        self._chrome = chrome

    def open(self, service: LocalLumnis) -> None:
        """Load the window."""
        self._chrome.get(f"{service.base_url}/")

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
        field = self._chrome.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text)

    def click(self, selector: str) -> None:
        """Click the only such element."""
        self._chrome.find_element(By.CSS_SELECTOR, selector).click()

    def choose(self, list_id: str, text: str) -> None:
        """Click the row of a list that holds this text, once it is there."""
        self.wait_for(f"#{list_id}", text)
        row = f"//ul[@id='{list_id}']//button[contains(., '{text}')]"
        self._chrome.find_element(By.XPATH, row).click()

    def evaluate(self, expression: str, *values: object) -> Any:
        """Return the value of an expression in the page."""
        return self._chrome.execute_script(f"return {expression}", *values)

    def reload(self) -> None:
        """Load the page again in the same tab."""
        self._chrome.refresh()

    def complaints(self) -> list[str]:
        """Return what the browser complained about since the last call, such as breaches of the page's policy."""
        return [entry["message"] for entry in self._chrome.get_log("browser")]

    def cookies(self) -> list[Any]:
        """Return the cookies that the page has set."""
        return list(self._chrome.get_cookies())
