"""What happened, in both languages. An action that is not here stands under its own name."""

from __future__ import annotations

ACTIONS: dict[str, tuple[str, str]] = {
    "acting_organisation_changed": ("改为代表另一组织", "acts for another organisation"),
    "agent_code_made": ("发出代理登记码", "agent code made"),
    "agent_disabled": ("停用采集代理", "agent disabled"),
    "agent_enabled": ("启用采集代理", "agent enabled"),
    "agent_enrolled": ("采集代理已登记", "agent enrolled"),
    "agent_grant_ended": ("收回代理授权", "agent grant ended"),
    "agent_grant_made": ("授权给代理", "agent grant made"),
    "agent_key_rotated": ("更换代理密钥", "agent key rotated"),
    "agent_made": ("建立采集代理", "agent made"),
    "audit_exported": ("导出审计记录", "audit log exported"),
    "audit_forgotten": ("按期限删除旧记录", "old records let go"),
    "inventory_exported": ("导出库存", "inventory exported"),
    "lake_exported": ("导出湖中数据", "lake exported"),
    "membership_changed": ("更改成员权限", "membership changed"),
    "membership_ended": ("移出组织", "membership ended"),
    "membership_made": ("加入组织", "membership made"),
    "one_time_link_made": ("发出一次性链接", "one-time link made"),
    "organisation_made": ("建立组织", "organisation made"),
    "password_changed": ("更改密码", "password changed"),
    "password_set_by_link": ("用链接设置密码", "password set by link"),
    "person_disabled": ("停用账号", "account disabled"),
    "person_enabled": ("启用账号", "account enabled"),
    "report_downloaded": ("下载报表", "report downloaded"),
    "reset_refused_too_often": ("重设密码过于频繁，已拒绝", "password reset refused: too often"),
    "session_ended": ("退出登录", "session ended"),
    "sign_in_refused": ("登录被拒绝", "sign-in refused"),
    "signed_in": ("登录", "signed in"),
    "stock_of_another_viewed": ("查看其他组织的库存", "stock of another viewed"),
}
