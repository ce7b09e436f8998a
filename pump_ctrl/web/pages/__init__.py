"""The rooms of the page. Each module has ``ROUTES``; what every room uses is in ``pump_ctrl.web.house``."""
